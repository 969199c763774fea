{
  nixos = true;
  good.services.moonrelay.settings.models.providers.kimi.apiKey = "\${KIMI_API_KEY}";
  bad.services.moonrelay.settings.models.providers.kimi.apiKey = "hunter2";
  says = "services.moonrelay.settings.models.providers.kimi.apiKey holds a secret in plain text";
}
