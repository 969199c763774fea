# Every case of this directory: `nix-instantiate --eval --strict nix/tests/lib`. A case is { actual, expected }.
let
  files = builtins.filter (name: name != "default.nix") (builtins.attrNames (builtins.readDir ./.));
  show = builtins.toJSON;
  run = file: let
    cases = import (./. + "/${file}") (import ../../lib);
    judge = name: let
      inherit (cases.${name}) actual expected;
    in
      if actual == expected
      then "ok ${file}: ${name}"
      else throw "${file}: ${name}: expected ${show expected}, but it is ${show actual}";
  in
    map judge (builtins.attrNames cases);
in
  builtins.concatMap run files
