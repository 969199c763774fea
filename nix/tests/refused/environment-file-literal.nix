{
  good.services.moonrelay.environmentFile = ["/run/secrets/moonrelay.env"];
  bad.services.moonrelay.environmentFile = [./environment-file-literal.nix];
}
