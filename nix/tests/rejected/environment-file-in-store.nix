{
  valid.services.moonrelay.environmentFile = "/run/secrets/moonrelay.env";
  invalid.services.moonrelay.environmentFile = "${./environment-file-in-store.nix}";
}
