{
  good.services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/kimi";
  bad.services.moonrelay.credentials.KIMI_API_KEY = "${./credential-in-store.nix}";
}
