{
  valid.services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/kimi";
  invalid.services.moonrelay.credentials.KIMI_API_KEY = "${./credential-in-store.nix}";
}
