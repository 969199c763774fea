# Runs every test case in this directory. A case is { actual, expected }. Without nixpkgs:
# `nix-instantiate --eval --strict --expr 'import nix/tests/lib {}'`.
{lib ? import ../lib-stub.nix}: let
  files = builtins.filter (name: name != "default.nix") (builtins.attrNames (builtins.readDir ./.));
  show = builtins.toJSON;
  runFile = file: let
    cases = import (./. + "/${file}") (import ../../lib {inherit lib;});
    runCase = name: let
      inherit (cases.${name}) actual expected;
    in
      if actual == expected
      then "ok ${file}: ${name}"
      else throw "${file}: ${name}: expected ${show expected}, got ${show actual}";
  in
    map runCase (builtins.attrNames cases);
in
  builtins.concatMap runFile files
