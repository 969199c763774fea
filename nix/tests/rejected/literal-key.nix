{
  valid.services.moonrelay.settings.models.providers.kimi.apiKey = "\${KIMI_API_KEY}";
  invalid.services.moonrelay.settings.models.providers.kimi.apiKey = "hunter2";
  message = ''services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/'';
}
