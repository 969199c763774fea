# The configuration file. Its derivation also validates it, so an unchecked file cannot be used.
{
  cfg,
  lib,
  pkgs,
}: let
  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
in
  pkgs.runCommand "moonrelay-config.json" {
    json = builtins.toJSON cfg.settings;
    nativeBuildInputs = [pkgs.buildPackages.jq];
    passAsFile = ["json"];
    preferLocalBuild = true;
    passthru.text = builtins.toJSON cfg.settings;
  } ''
    jq . "$jsonPath" >"$out"
    ${lib.optionalString (cfg.checkConfig && canRun) ''
      # The build directory as the home: the configuration of the building user must have no effect.
      HOME=$PWD XDG_CONFIG_HOME=$PWD ${lib.getExe cfg.package} config validate "$out"
    ''}
  ''
