let
  openFirewall = bind: {
    services.moonrelay = {
      openFirewall = true;
      settings.gateway = {
        auth.token = "\${MOONRELAY_TOKEN}";
        inherit bind;
      };
    };
  };
in {
  nixos = true;
  valid = openFirewall "all";
  invalid = openFirewall "loopback";
  message = "services.moonrelay.settings.gateway.bind = \"all\";";
}
