let
  client = tokenFile: {
    services.moonrelay.clients = {
      kimi-code.enable = true;
      inherit tokenFile;
    };
  };
in {
  valid = client "/run/secrets/moonrelay";
  invalid = client ./client-token-file-in-store.nix;
}
