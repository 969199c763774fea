{
  description = "Moonrelay with keys from sops-nix";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    moonrelay.url = "github:moonrelay/moonrelay";
    sops-nix = {
      url = "github:Mic92/sops-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = {
    nixpkgs,
    home-manager,
    moonrelay,
    sops-nix,
    ...
  }: {
    homeConfigurations.alice = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      modules = [
        moonrelay.homeModules.default
        sops-nix.homeManagerModules.sops
        ({config, ...}: {
          home = {
            username = "alice";
            homeDirectory = "/home/alice";
            stateVersion = "26.05";
          };

          sops = {
            age.keyFile = "/home/alice/.config/sops/age/keys.txt";
            defaultSopsFile = ./secrets.yaml;
            secrets = {
              kimi = {};
              openrouter = {};
            };
          };

          services.moonrelay = {
            enable = true;
            # systemd reads the decrypted files, after sops-nix.service.
            credentials = {
              KIMI_API_KEY = config.sops.secrets.kimi.path;
              OPENROUTER_API_KEY = config.sops.secrets.openrouter.path;
            };
            settings.agents.defaults.model = {
              primary = "kimi/kimi-for-coding";
              fallbacks = ["openrouter/auto"];
            };
          };
        })
      ];
    };
  };
}
