{
  good.services.moonrelay.credentials.KIMI_API_KEY = "%t/agenix/kimi";
  bad.services.moonrelay.credentials.KIMI_API_KEY = ./credential-literal.nix;
}
