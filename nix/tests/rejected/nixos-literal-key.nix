{
  nixos = true;
  valid.services.moonrelay.settings.models.providers.kimi.apiKey = "\${KIMI_API_KEY}";
  invalid.services.moonrelay.settings.models.providers.kimi.apiKey = "hunter2";
  message = "services.moonrelay.settings.models.providers.kimi.apiKey contains a secret in plain text";
}
