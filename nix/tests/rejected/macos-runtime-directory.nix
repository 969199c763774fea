{
  macos = true;
  valid.services.moonrelay.credentials.KIMI_API_KEY = "%h/.secrets/kimi";
  invalid.services.moonrelay.credentials.KIMI_API_KEY = "%t/agenix/kimi";
  message = "macOS has no %t";
}
