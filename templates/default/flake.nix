{
  description = "A home-manager configuration with Moonrelay";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    moonrelay.url = "github:moonrelay/moonrelay";
  };

  outputs = {
    nixpkgs,
    home-manager,
    moonrelay,
    ...
  }: {
    homeConfigurations.alice = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      modules = [
        moonrelay.homeModules.default
        {
          home = {
            username = "alice";
            homeDirectory = "/home/alice";
            stateVersion = "26.05";
          };
          programs.home-manager.enable = true;

          services.moonrelay = {
            enable = true;
            # A file with mode 0600 that contains only the key.
            credentials.KIMI_API_KEY = "%h/.secrets/kimi";
            settings.agents.defaults.model = "kimi/kimi-for-coding";
          };
        }
      ];
    };
  };
}
