# Functions that the modules, the checks and other flakes share. `lib` is the one of nixpkgs.
{lib}: let
  optionName = import ./option-name.nix {inherit lib;};
  paths = import ./paths.nix {inherit lib;};
in {
  inherit optionName paths;
  address = import ./address.nix {inherit lib;};
  clients = import ./clients.nix {inherit lib;};
  secrets = import ./secrets.nix {inherit lib optionName paths;};
  systemd = import ./systemd.nix;
}
