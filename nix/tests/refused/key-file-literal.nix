{
  good.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = "/run/secrets/kimi";
  };
  bad.services.moonrelay.settings.models.providers.kimi.apiKey = {
    source = "file";
    id = ./key-file-literal.nix;
  };
  says = "services.moonrelay.settings.models.providers.kimi.apiKey.id is a secret's file inside the Nix store";
}
