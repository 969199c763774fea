# macOS has no sandbox that hides homes, but every user can read the store.
let
  file = id: {
    services.moonrelay.settings.models.providers.kimi.apiKey = {
      source = "file";
      inherit id;
    };
  };
in {
  macos = true;
  valid = file "/Users/alice/.secrets/kimi";
  invalid = file "${./macos-key-file.nix}";
  message = "services.moonrelay.settings.models.providers.kimi.apiKey.id is a secret file in the Nix store";
}
