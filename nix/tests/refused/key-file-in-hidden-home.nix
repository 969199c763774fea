{
  good.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = "/run/secrets/kimi";
  };
  bad.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = "/home/alice/.secrets/kimi";
  };
  says = ''services.moonrelay.credentials.NAME = "/home/alice/.secrets/kimi"'';
}
