{
  valid.services.moonrelay.credentials.KIMI_API_KEY = "%h/.secrets/kimi";
  invalid.services.moonrelay.credentials.KIMI_API_KEY = "~/.secrets/kimi";
}
