# Every flake below examples/ and templates/, evaluated with the inputs of this flake. `nix flake check` ignores both.
{
  home-manager,
  lib,
  nixpkgs,
  self,
}: let
  inputs =
    {
      inherit home-manager nixpkgs;
      moonrelay = self;
    }
    // import ./stubs.nix {inherit lib;};

  configurationsOf = path: let
    flake = import path;
    own = lib.fix (own:
      flake.outputs (lib.genAttrs (lib.attrNames (lib.functionArgs flake.outputs)) (name:
        if name == "self"
        then own
        else inputs.${name} or (throw "${toString path}: the checks have no input ${name}"))));
    collect = kind: prefix: attribute:
      lib.mapAttrs' (name: value:
        lib.nameValuePair "${prefix}-${name}" {
          inherit (value.config.services.moonrelay) settings;
          derivation = lib.getAttrFromPath attribute value;
        })
      own.${kind} or {};
  in
    collect "homeConfigurations" "home" ["activationPackage"]
    // collect "nixosConfigurations" "nixos" ["config" "system" "build" "toplevel"];

  # flake.nix and its variants, such as test-flake.nix.
  flakesOf = directory: lib.filter (name: lib.hasSuffix "flake.nix" name) (lib.attrNames (builtins.readDir directory));

  inDirectory = kind: root:
    lib.concatMapAttrs (name: type:
      lib.optionalAttrs (type == "directory") (
        lib.concatMapAttrs (file: configurations: let
          variant = lib.optionalString (file != "flake.nix") "-${lib.removeSuffix "-flake.nix" file}";
        in
          if configurations == {}
          then throw "${kind} ${name}/${file} contains no configuration"
          else lib.mapAttrs' (output: lib.nameValuePair "${kind}-${name}${variant}-${output}") configurations)
        (lib.genAttrs (flakesOf (root + "/${name}")) (file: configurationsOf (root + "/${name}/${file}")))
      )) (builtins.readDir root);

  all = inDirectory "example" ../../examples // inDirectory "template" ../../templates;
in {
  checks = lib.mapAttrs (_: configuration: configuration.derivation) all;
  settings = lib.mapAttrs (_: configuration: configuration.settings) all;
}
