{
  good.services.moonrelay.credentials.KIMI_API_KEY = "%h/.secrets/kimi";
  bad.services.moonrelay.credentials.KIMI_API_KEY = "~/.secrets/kimi";
}
