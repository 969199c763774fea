{
  description = "Kimi answers first, OpenRouter behind it";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    moonrelay = {
      url = "github:moonrelay/moonrelay";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.home-manager.follows = "home-manager";
    };
  };

  outputs = {
    nixpkgs,
    home-manager,
    moonrelay,
    ...
  }: let
    # Yours: the system, and the name that `home-manager switch --flake .#alice` asks for.
    system = "x86_64-linux";
    user = "alice";
  in {
    homeConfigurations.${user} = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.${system};
      modules = [
        moonrelay.homeModules.default
        {
          home = {
            username = user;
            homeDirectory = "/home/${user}";
            stateVersion = "26.05";
          };
          programs.home-manager.enable = true;

          services.moonrelay = {
            enable = true;

            # Two files of mode 0600, each with a key and nothing else.
            credentials = {
              KIMI_API_KEY = "%h/.secrets/kimi";
              OPENROUTER_API_KEY = "%h/.secrets/openrouter";
            };

            documents = ./documents;

            settings = {
              agents.defaults = {
                model = {
                  primary = "kimi/kimi-for-coding";
                  fallbacks = ["openrouter/auto"];
                };
                models."kimi/kimi-for-coding".alias = "kimi";
              };

              # The catalog knows the provider already; this says where its key comes from.
              models.providers.kimi.apiKey = "\${KIMI_API_KEY}";

              # Names that clients insist on.
              models.routes = {
                "claude-*" = "default";
                "gpt-*" = "default";
              };
            };
          };
        }
      ];
    };
  };
}
