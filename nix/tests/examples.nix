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
  in
    lib.mapAttrs' (name: home: lib.nameValuePair "home-${name}" home.activationPackage) own.homeConfigurations or {}
    // lib.mapAttrs' (name: machine: lib.nameValuePair "nixos-${name}" machine.config.system.build.toplevel) own.nixosConfigurations or {};

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
in
  of "example" ../../examples // of "template" ../../templates
