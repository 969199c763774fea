{
  description = "Two Kimi keys, used one after the other";

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

          services.moonrelay = {
            enable = true;
            credentials = {
              KIMI_KEY_HOME = "%h/.secrets/kimi-home";
              KIMI_KEY_WORK = "%h/.secrets/kimi-work";
            };
            settings = {
              agents.defaults.model = "kimi/kimi-for-coding";
              # Tried in this order. If the quota of the first key is used up, the second key is used until it is available again.
              models.providers.kimi.apiKey = ["\${KIMI_KEY_HOME}" "\${KIMI_KEY_WORK}"];
            };
          };
        }
      ];
    };
  };
}
