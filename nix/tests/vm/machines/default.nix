# The machines of the tests: one runs simulated providers, another one the gateway.
{
  home-manager,
  lib,
  self,
}: let
  packageOf = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system}.moonrelay;

  # A typical configuration, with the addresses of the simulated providers.
  settings = {
    agents.defaults.model = {
      primary = "moonshot/kimi-k3";
      fallbacks = ["openrouter/auto"];
    };
    models.providers = {
      moonshot = {
        allowInsecure = true;
        baseUrl = "http://upstream:8080/moonshot/v1";
      };
      openrouter = {
        allowInsecure = true;
        baseUrl = "http://upstream:8080/openrouter/api/v1";
      };
    };
  };

  tools = {pkgs, ...}: {environment.systemPackages = [pkgs.curl pkgs.jq];};
in {
  inherit lib settings;

  upstream = {pkgs, ...}: {
    imports = [tools];
    networking.firewall.allowedTCPPorts = [8080];
    systemd.services.simulator = {
      wantedBy = ["multi-user.target"];
      serviceConfig = {
        DynamicUser = true;
        ExecStart = "${lib.getExe (packageOf pkgs)} simulate --listen 0.0.0.0:8080";
      };
    };
  };

  # A machine with a lingering user `alice`; `module` is added to her home.
  home = module: {
    imports = [home-manager.nixosModules.home-manager tools];
    users.users = {
      alice = {
        isNormalUser = true;
        linger = true;
        uid = 1000;
      };
      mallory.isNormalUser = true;
    };
    home-manager = {
      useGlobalPkgs = true;
      users.alice = {
        imports = [self.homeModules.default module];
        home.stateVersion = "26.05";
        services.moonrelay = {
          enable = true;
          credentials = {
            MOONSHOT_API_KEY = "%h/keys/moonshot";
            OPENROUTER_API_KEY = "%h/keys/openrouter";
          };
          inherit settings;
        };
      };
    };
  };

  # A machine with the system service.
  system = module: {
    imports = [self.nixosModules.default module tools];
    services.moonrelay = {
      enable = true;
      credentials = {
        MOONSHOT_API_KEY = "/var/lib/keys/moonshot";
        OPENROUTER_API_KEY = "/var/lib/keys/openrouter";
      };
      inherit settings;
    };
  };
}
