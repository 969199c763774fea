{
  valid.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = "/run/secrets/kimi";
  };
  invalid.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = ./key-file-literal.nix;
  };
  message = "services.moonrelay.settings.models.providers.kimi.apiKey.id is a secret file in the Nix store";
}
