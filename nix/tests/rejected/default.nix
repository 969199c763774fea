# Configurations that must not evaluate. A case is { valid, invalid, message }. The two configurations differ in one
# setting, so that the case fails for this setting and no other reason. An assertion whose message contains `message`
# rejects `invalid`. Without `message` the module system rejects it, with an error that an evaluation cannot read.
# `macos` and `nixos` choose the module instead of the one for home-manager on Linux.
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

  nixosFailures = module: let
    inherit
      (lib.nixosSystem {
        modules = [
          module
          self.nixosModules.default
          {
            # The settings that NixOS requires, so that only assertions of the module fail.
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

  failures = case: module:
    if case.nixos or false
    then nixosFailures (enabled module)
    else (homeOf case).failures (enabled module);

  checkCase = name: let
    case = import (./. + "/${name}.nix");
    valid = failures case case.valid;
    invalid = failures case case.invalid;
    isRejected =
      if case ? message
      then invalid != null && lib.any (lib.hasInfix case.message) invalid
      else invalid == null;
  in
    if valid != []
    then throw "nix/tests/rejected/${name}.nix: the valid configuration was rejected: ${builtins.toJSON valid}"
    else if isRejected
    then name
    else throw "nix/tests/rejected/${name}.nix: the invalid configuration was not rejected as expected: ${builtins.toJSON invalid}";

  names = lib.remove "default" (map (lib.removeSuffix ".nix") (lib.attrNames (builtins.readDir ./.)));
in
  lib.genAttrs names (name: builtins.seq (checkCase name) (pkgs.runCommandLocal "rejected-${name}" {} "touch $out"))
