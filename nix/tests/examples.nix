# Every flake below examples/ and templates/, evaluated with our inputs: `nix flake check` looks at neither.
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

  results = path: let
    flake = import path;
    own = lib.fix (own:
      flake.outputs (lib.genAttrs (lib.attrNames (lib.functionArgs flake.outputs)) (name:
        if name == "self"
        then own
        else inputs.${name} or (throw "${toString path}: no input ${name} here"))));
    found = kind: prefix: attribute:
      lib.mapAttrs' (name: value:
        lib.nameValuePair "${prefix}-${name}" {
          inherit (value.config.services.moonrelay) settings;
          derivation = lib.getAttrFromPath attribute value;
        })
      own.${kind} or {};
  in
    found "homeConfigurations" "home" ["activationPackage"]
    // found "nixosConfigurations" "nixos" ["config" "system" "build" "toplevel"];

  # flake.nix, and others of that kind beside it.
  flakesOf = directory: lib.filter (name: lib.hasSuffix "flake.nix" name) (lib.attrNames (builtins.readDir directory));

  of = kind: root:
    lib.concatMapAttrs (name: type:
      lib.optionalAttrs (type == "directory") (
        lib.concatMapAttrs (file: found: let
          variant = lib.optionalString (file != "flake.nix") "-${lib.removeSuffix "-flake.nix" file}";
        in
          if found == {}
          then throw "${kind} ${name}/${file} configures nothing"
          else lib.mapAttrs' (what: lib.nameValuePair "${kind}-${name}${variant}-${what}") found)
        (lib.genAttrs (flakesOf (root + "/${name}")) (file: results (root + "/${name}/${file}")))
      )) (builtins.readDir root);

  all = of "example" ../../examples // of "template" ../../templates;
in {
  checks = lib.mapAttrs (_: one: one.derivation) all;
  settings = lib.mapAttrs (_: one: one.settings) all;
}
