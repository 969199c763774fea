{
  macos = true;
  valid.services.moonrelay.environmentFile = ["/etc/one.env"];
  invalid.services.moonrelay.environmentFile = ["/etc/one.env" "/etc/two.env"];
  message = "only one file is supported on macOS";
}
