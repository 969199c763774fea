{
  description = "Moonrelay with keys from agenix";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    agenix = {
      url = "github:ryantm/agenix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    moonrelay.url = "github:moonrelay/moonrelay";
  };

  outputs = {
    nixpkgs,
    agenix,
    home-manager,
    moonrelay,
    ...
  }: {
    homeConfigurations.alice = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      modules = [
        agenix.homeManagerModules.default
        moonrelay.homeModules.default
        ({config, ...}: {
          home = {
            username = "alice";
            homeDirectory = "/home/alice";
            stateVersion = "26.05";
          };

          age = {
            identityPaths = ["/home/alice/.ssh/id_ed25519"];
            secrets = {
              kimi.file = ./kimi.age;
              openrouter.file = ./openrouter.age;
            };
          };

          services.moonrelay = {
            enable = true;
            # The path from agenix is "${XDG_RUNTIME_DIR}/agenix/kimi"; the module writes it with systemd's %t.
            credentials = {
              KIMI_API_KEY = config.age.secrets.kimi.path;
              OPENROUTER_API_KEY = config.age.secrets.openrouter.path;
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
