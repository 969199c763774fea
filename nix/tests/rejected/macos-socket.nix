let
  withActivation = socketActivation: {
    services.moonrelay = {
      settings.gateway.bind = "unix:/tmp/moonrelay.sock";
      inherit socketActivation;
    };
  };
in {
  macos = true;
  valid = withActivation false;
  invalid = withActivation true;
  message = "launchd sockets are not supported";
}
