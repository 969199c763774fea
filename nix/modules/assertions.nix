# Configurations that fail the evaluation. Each message names the option and the fix.
{
  cfg,
  lib,
  # Directories that the sandbox hides.
  hidden,
  # Whether the service has a sandbox. It has none under launchd.
  sandboxed ? true,
}: let
  moonrelay = import ../lib {inherit lib;};
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
        ${moonrelay.optionName path} is ${file}, which the service cannot read: its sandbox hides homes. Let systemd read the file, and write "\''${NAME}" in the settings:
          services.moonrelay.credentials.NAME = "${lib.replaceStrings ["~/"] ["%h/"] file}";'';
    })
    (lib.filter ({file, ...}: lib.isString file) (moonrelay.secrets.files cfg.settings));

  credentialNames = map (name: {
    assertion = builtins.match "[A-Za-z_][A-Za-z0-9_.-]*" name != null;
    message = ''services.moonrelay.credentials."${name}" is not a valid name. Use letters, digits, `_`, `.` and `-`, and start with a letter or `_`, as in KIMI_API_KEY.'';
  }) (lib.attrNames cfg.credentials);
in
  secrets
  ++ files
  ++ credentialNames
  ++ [
    {
      assertion = sandboxed && isUnix -> cfg.socketActivation;
      message = ''
        services.moonrelay.settings.gateway.bind is a UNIX socket, which the service cannot create inside its sandbox. Let systemd create it:
          services.moonrelay.socketActivation = true;'';
    }
    {
      assertion = cfg.socketActivation -> isUnix || gateway.port != 0;
      message = ''
        services.moonrelay.settings.gateway.port is 0, and a systemd socket needs a fixed port. Choose one:
          services.moonrelay.settings.gateway.port = 1969;'';
    }
  ]
