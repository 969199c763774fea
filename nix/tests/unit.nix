# Compares nix/modules/unit.nix and the sandbox without user namespaces with the expected unit of a case, without nixpkgs:
# `nix-instantiate --eval --strict nix/tests/unit.nix`. tests/service/unit_policy.rs compares the same expected unit with
# the one of `moonrelay service install`.
let
  lib = import ./lib-stub.nix;
  case = import ./eval/simulated/case.nix;
  expected = builtins.readFile ./eval/simulated-syscalls/moonrelay.service;

  unit = import ../modules/unit.nix {
    inherit lib;
    cfg = {
      inherit (case.home.services.moonrelay) credentials;
      environmentFile = [case.home.services.moonrelay.environmentFile];
      extraArgs = [];
      package.exe = "@moonrelay@/bin/moonrelay";
      settings.gateway = {
        bind = "loopback";
        port = 1969;
      };
      socketActivation = false;
    };
    configFile = "%h/.config/moonrelay/config.json5";
  };
  # nix/modules/systemd-user.nix sets these directly.
  limits = {
    StartLimitBurst = unit.startLimit.burst;
    StartLimitIntervalSec = unit.startLimit.seconds;
  };
  settings = unit.service // (import ../modules/sandbox.nix).syscalls // limits;

  textOf = value:
    if builtins.isBool value
    then
      (
        if value
        then "true"
        else "false"
      )
    else toString value;
  linesOf = name: value:
    map (value: "${name}=${textOf value}") (
      if builtins.isList value
      then value
      else [value]
    );

  lines = builtins.filter builtins.isString (builtins.split "\n" expected);
  missing = builtins.filter (line: !(builtins.elem line lines)) (builtins.concatLists (lib.mapAttrsToList linesOf settings));

  nameOf = line: builtins.head (builtins.split "=" line);
  serviceLines = let
    section = builtins.elemAt (builtins.split "\\[(Service|Unit)]\n" expected) 2;
  in
    builtins.filter (line: builtins.isString line && line != "") (builtins.split "\n" section);
  # nix/modules/systemd-user.nix sets ExecStopPost directly.
  unknown = builtins.filter (name: name != "ExecStopPost" && !(settings ? ${name})) (map nameOf serviceLines);
in
  if missing != []
  then throw "nix/tests/eval/simulated-syscalls/moonrelay.service lacks ${builtins.toJSON missing}; nix/tests/eval/bless updates it"
  else if unknown != []
  then throw "nix/tests/eval/simulated-syscalls/moonrelay.service has settings that the module does not set: ${builtins.toJSON unknown}"
  else builtins.attrNames settings
