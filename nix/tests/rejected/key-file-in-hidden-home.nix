{
  valid.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = "/run/secrets/kimi";
  };
  invalid.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = "/home/alice/.secrets/kimi";
  };
  message = ''services.moonrelay.credentials.NAME = "/home/alice/.secrets/kimi"'';
}
