# No sandbox hides a home there; the store is as public as everywhere.
let
  file = id: {
    services.moonrelay.settings.models.providers.kimi.apiKey = {
      source = "file";
      inherit id;
    };
  };
in {
  macos = true;
  good = file "/Users/alice/.secrets/kimi";
  bad = file "${./macos-key-file.nix}";
  says = "services.moonrelay.settings.models.providers.kimi.apiKey.id is a secret's file inside the Nix store";
}
