# What is refused while evaluating, in words that name the option and the fix.
{
  cfg,
  lib,
  # Where files are that the sandbox hides.
  hidden,
  # Whether there is a sandbox at all: launchd has none.
  sandboxed ? true,
}: let
  moonrelay = import ../lib;
  inherit (cfg.settings) gateway;
  isUnix = moonrelay.address.isUnix gateway.bind;

  secrets = map (message: {
    assertion = false;
    inherit message;
  }) (moonrelay.secrets.violations cfg.settings);

  isHidden = file: lib.hasPrefix "~" file || lib.any (directory: lib.hasPrefix "${directory}/" file) hidden;
  files =
    map ({
      file,
      path,
    }: {
      assertion = sandboxed && cfg.sandbox == "strict" -> !isHidden file;
      message = ''
        ${moonrelay.attribute.show path} is ${file}, which the service cannot see: its sandbox hides homes. Let systemd read the file:
          services.moonrelay.credentials.NAME = "${lib.replaceStrings ["~/"] ["%h/"] file}"; with "\''${NAME}" in the settings.'';
    })
    (builtins.filter ({file, ...}: builtins.isString file) (moonrelay.secrets.files cfg.settings));

  names = map (name: {
    assertion = builtins.match "[A-Za-z_][A-Za-z0-9_.-]*" name != null;
    message = ''services.moonrelay.credentials."${name}": a name has letters, digits, `_`, `.` and `-`, and starts with a letter or `_`: KIMI_API_KEY.'';
  }) (builtins.attrNames cfg.credentials);
in
  secrets
  ++ files
  ++ names
  ++ [
    {
      assertion = sandboxed && isUnix -> cfg.socketActivation;
      message = ''
        services.moonrelay.settings.gateway.bind is a UNIX socket, for which the sandbox leaves no place. Let systemd make it:
          services.moonrelay.socketActivation = true;'';
    }
    {
      assertion = cfg.socketActivation -> isUnix || gateway.port != 0;
      message = ''
        services.moonrelay.settings.gateway.port is 0, and systemd cannot hold a socket without a number. Choose one:
          services.moonrelay.settings.gateway.port = 1969;'';
    }
  ]
