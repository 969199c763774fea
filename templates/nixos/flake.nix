{
  description = "A machine with Moonrelay as a system service";

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
    nixosConfigurations.machine = nixpkgs.lib.nixosSystem {
      modules = [
        moonrelay.nixosModules.default
        {
          # Replace with your hardware settings from nixos-generate-config.
          nixpkgs.hostPlatform = "x86_64-linux";
          boot.loader.systemd-boot.enable = true;
          fileSystems."/" = {
            device = "/dev/disk/by-label/nixos";
            fsType = "ext4";
          };
          system.stateVersion = "26.05";

          services.moonrelay = {
            enable = true;
            # A file that only root can read.
            credentials.KIMI_API_KEY = "/var/lib/secrets/kimi";
            settings.agents.defaults.model = "kimi/kimi-for-coding";
          };
        }
      ];
    };
  };
}
