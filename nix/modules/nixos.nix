# `services.moonrelay` for NixOS: a system service that runs as a dynamic user.
{self}: {
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.moonrelay;
  inherit (cfg.settings) gateway;
  source = import ./config-file.nix {inherit cfg lib pkgs;};
  unit = import ./unit.nix {
    inherit cfg lib;
    configFile = "/etc/moonrelay/config.json5";
  };
  sandbox = import ./sandbox.nix;
in {
  imports = [(lib.modules.importApply ./options.nix {inherit self;})];

  options.services.moonrelay.openFirewall = lib.mkOption {
    type = lib.types.bool;
    default = false;
    example = true;
    description = ''
      Whether to open the gateway's port in the firewall. This also needs `gateway.bind`, for example `all`, and
      `gateway.auth.token`.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions =
      import ./assertions.nix {
        inherit cfg lib;
        hidden = ["/home" "/root" "/run/user"];
      }
      ++ [
        {
          assertion = cfg.openFirewall -> !(import ../lib {inherit lib;}).address.isLocal gateway.bind;
          message = ''
            services.moonrelay.openFirewall is set, but the gateway accepts connections only from this machine. Choose another address:
              services.moonrelay.settings.gateway.bind = "all";'';
        }
      ];

    environment = {
      etc."moonrelay/config.json5".source = source;
      systemPackages = [cfg.package];
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [gateway.port];

    # A switch reloads the service, so the gateway does not need to watch the file.
    services.moonrelay.settings.gateway.reload = lib.mkDefault false;

    systemd = {
      services.moonrelay = {
        inherit (unit) description;
        after = ["network-online.target"] ++ unit.after;
        requires = lib.optional cfg.socketActivation "moonrelay.socket";
        wants = ["network-online.target"];
        wantedBy = ["multi-user.target"];
        documentation = ["man:moonrelay(1)"];
        reloadTriggers = [source];
        startLimitBurst = unit.startLimit.burst;
        startLimitIntervalSec = unit.startLimit.seconds;
        # Restart in one step. With a separate stop, a client that waits at the socket would start the old program again.
        stopIfChanged = false;
        serviceConfig =
          unit.service
          // {DynamicUser = true;}
          // (
            if cfg.sandbox == "strict"
            then sandbox.system
            else sandbox.syscalls
          );
      };

      # NixOS does not restart the socket when the address changes. The fix is `systemctl restart moonrelay.socket`.
      sockets = lib.mkIf cfg.socketActivation {
        moonrelay = {
          description = "${unit.description} (socket)";
          documentation = ["man:moonrelay(1)"];
          wantedBy = ["sockets.target"];
          socketConfig = {
            ListenStream = unit.listenStream;
            # A reverse proxy that runs as another user can connect to a UNIX socket.
            SocketMode = "0666";
          };
        };
      };
    };
  };
}
