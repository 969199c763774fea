# NixOS tests. Each behaviour is a pair of files: NAME.nix defines the machines, NAME.py is the test script.
{
  home-manager,
  lib,
  pkgs,
  self,
  ...
}: let
  machines = import ./machines {inherit home-manager lib self;};
  names = map (lib.removeSuffix ".py") (lib.filter (lib.hasSuffix ".py") (lib.attrNames (lib.filterAttrs (_: type: type == "regular") (builtins.readDir ./.))));
in
  lib.genAttrs names (name:
    pkgs.testers.runNixOSTest {
      name = "moonrelay-${name}";
      globalTimeout = 600;
      nodes = import (./. + "/${name}.nix") machines;
      testScript = builtins.readFile ./machines/script.py + builtins.readFile (./. + "/${name}.py");
    })
