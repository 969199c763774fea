# Pure functions over builtins: nothing here needs nixpkgs, so that the tests run with `nix-instantiate` alone.
{
  address = import ./address.nix;
  attribute = import ./attribute.nix;
  clients = import ./clients.nix;
  paths = import ./paths.nix;
  secrets = import ./secrets.nix;
  systemd = import ./systemd.nix;
}
