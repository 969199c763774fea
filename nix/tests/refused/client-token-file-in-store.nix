let
  client = tokenFile: {
    services.moonrelay.clients = {
      kimi-code.enable = true;
      inherit tokenFile;
    };
  };
in {
  good = client "/run/secrets/moonrelay";
  bad = client ./client-token-file-in-store.nix;
}
