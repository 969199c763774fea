{
  description = "Moonrelay with Prometheus and Grafana on one machine";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    moonrelay = {
      url = "github:moonrelay/moonrelay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = {
    nixpkgs,
    moonrelay,
    ...
  }: {
    nixosConfigurations.relay = nixpkgs.lib.nixosSystem {
      modules = [
        moonrelay.nixosModules.default
        ./monitoring.nix
        {
          environment.etc."grafana-dashboards/moonrelay.json".source = "${moonrelay}/examples/grafana/moonrelay.json";

          services.moonrelay = {
            enable = true;
            credentials = {
              KIMI_API_KEY = "/var/lib/secrets/kimi";
              OPENROUTER_API_KEY = "/var/lib/secrets/openrouter";
            };
            settings.agents.defaults.model = {
              primary = "kimi/kimi-for-coding";
              fallbacks = ["openrouter/auto"];
            };
          };

          # Replace with your hardware settings from nixos-generate-config.
          nixpkgs.hostPlatform = "x86_64-linux";
          boot.loader.systemd-boot.enable = true;
          fileSystems."/" = {
            device = "/dev/disk/by-label/nixos";
            fsType = "ext4";
          };
          networking.hostName = "relay";
          system.stateVersion = "26.05";
        }
      ];
    };
  };
}
