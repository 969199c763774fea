{
  valid.services.moonrelay.credentials.KIMI_API_KEY = "%t/agenix/kimi";
  invalid.services.moonrelay.credentials.KIMI_API_KEY = ./credential-literal.nix;
}
