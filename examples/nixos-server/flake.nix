{
  description = "Moonrelay as a system service behind nginx";

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
        ./machine.nix
        {
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
