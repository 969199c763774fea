{
  home,
  lib,
  upstream,
  ...
}: {
  inherit upstream;
  gateway = {
    imports = [(home {})];
    # A generation of alice's home with another configuration and the same package.
    specialisation.changed.configuration.home-manager.users.alice.services.moonrelay.settings.agents.defaults.model =
      lib.mkForce "openrouter/auto";
  };
}
