# What must not evaluate. A case is { good, bad, says }: the two differ in one thing. `good` is accepted, which shows that
# the reason lies in that thing; `bad` is refused, by an assertion with these words, or, without `says`, by the module
# system, whose words an evaluation cannot read. `macos` and `nixos` say where.
{
  home-manager,
  lib,
  nixpkgs,
  pkgs,
  self,
}: let
  linux = nixpkgs.legacyPackages.x86_64-linux;
  darwin = nixpkgs.legacyPackages.aarch64-darwin;
  homeOf = case:
    import ../home.nix {
      inherit home-manager lib self;
      pkgs =
        if case.macos or false
        then darwin
        else linux;
    };

  nixosRefusals = module: let
    inherit
      (lib.nixosSystem {
        modules = [
          module
          self.nixosModules.default
          {
            # A machine that could start, so that only our assertions fail.
            boot.loader.grub.enable = false;
            fileSystems."/" = {
              device = "/dev/vda";
              fsType = "ext4";
            };
            nixpkgs.hostPlatform = "x86_64-linux";
            system.stateVersion = "26.05";
          }
        ];
      })
      config
      ;
  in
    map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);

  enabled = module: {
    imports = [module];
    services.moonrelay.enable = true;
  };

  refusals = case: module:
    if case.nixos or false
    then nixosRefusals (enabled module)
    else (homeOf case).refusals (enabled module);

  judge = name: let
    case = import (./. + "/${name}.nix");
    good = refusals case case.good;
    bad = refusals case case.bad;
    isRefused =
      if case ? says
      then bad != null && lib.any (lib.hasInfix case.says) bad
      else bad == null;
  in
    if good != []
    then throw "nix/tests/refused/${name}.nix: what is good was refused too: ${builtins.toJSON good}"
    else if isRefused
    then name
    else throw "nix/tests/refused/${name}.nix: what is bad was not refused as expected: ${builtins.toJSON bad}";

  names = lib.remove "default" (map (lib.removeSuffix ".nix") (lib.attrNames (builtins.readDir ./.)));
in
  lib.genAttrs names (name: builtins.seq (judge name) (pkgs.runCommandLocal "refused-${name}" {} "touch $out"))
