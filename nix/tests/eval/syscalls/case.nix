# For hosts without user namespaces.
{
  home.services.moonrelay = {
    enable = true;
    sandbox = "syscalls";
  };
}
