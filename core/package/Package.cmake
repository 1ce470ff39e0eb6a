# Debian packages by CPack: `cpack --config build/release/CPackConfig.cmake -B DIR` makes them of what `cmake --install` installs, and
# of the units and the configuration of this folder, which are the packages' alone. README.md has the map.
set(package_folder ${CMAKE_CURRENT_LIST_DIR})
set(package_units poplar.service poplar-pop3.socket poplar-pop3s.socket poplar-lmtp.socket)
list(TRANSFORM package_units PREPEND ${package_folder}/systemd/)

# Debian 12's /lib is /usr/lib. What is EXCLUDE_FROM_ALL is in the package and not in `cmake --install`.
install(FILES ${package_units} DESTINATION /lib/systemd/system COMPONENT server EXCLUDE_FROM_ALL)
install(FILES ${package_folder}/poplar.toml DESTINATION /etc/poplar COMPONENT server EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /etc/poplar/certs COMPONENT server EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /etc/poplar/tenants.d COMPONENT server EXCLUDE_FROM_ALL)
# In the folders that they are in here, with all that they link to, so that their links lead somewhere.
set(package_pages
  auth/fail2ban/poplar.conf auth/plugin.h auth/plugins/example.c
  auth/HTTP.md auth/LDAP.md auth/OAUTH.md auth/PLUGINS.md auth/README.md auth/SQL.md
  core/OPERATIONS.md core/SUPPORT.md core/app/README.md core/net/README.md core/ops/README.md core/package/README.md
  core/package/systemd/poplar.service
  storage/FORMAT.md)
foreach(page IN LISTS package_pages)
  cmake_path(GET page PARENT_PATH page_folder)
  install(FILES ${page} DESTINATION share/doc/poplar/${page_folder} COMPONENT server EXCLUDE_FROM_ALL)
endforeach()
install(FILES auth/plugins/example.c DESTINATION share/doc/poplar-dev/examples COMPONENT example EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME poplar)
set(CPACK_PACKAGE_CONTACT "Poplar maintainers <maintainers@poplar.invalid>" CACHE STRING "Who answers for the packages")
set(CPACK_SET_DESTDIR ON)  # For what is in /etc and /lib.
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL server ldap postgresql mariadb http oauth example)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME poplar)
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS "poplar-ldap, poplar-postgresql, poplar-mariadb, poplar-http, poplar-oauth")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA
  "${package_folder}/debian/postinst;${package_folder}/debian/prerm;${package_folder}/debian/postrm;${package_folder}/debian/conffiles")
set(CPACK_COMPONENT_SERVER_DESCRIPTION
  "multi-tenant POP3 mail store on io_uring\nAn MTA hands messages over by LMTP, people fetch them by POP3. Many tenants, each with its\ndomains and users; what was acknowledged survives a power cut. Needs Linux 6.1 or newer.")

# package_plugin(NAME WHAT): the plug-in NAME in a package of its own.
macro(package_plugin name what)
  string(TOUPPER ${name} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME poplar-${name})
  # The server's own: who changes together is upgraded together.
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "poplar (= ${PROJECT_VERSION})")
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${what} for the mail store server Poplar\nThe plug-in /usr/lib/poplar/${name}.so.")
endmacro()
package_plugin(ldap "users in an LDAP directory")
package_plugin(postgresql "users in a PostgreSQL database")
package_plugin(mariadb "users in a MariaDB or MySQL database")
package_plugin(http "users behind an HTTP API")
package_plugin(oauth "log-in by OAuth tokens")

set(CPACK_DEBIAN_EXAMPLE_PACKAGE_NAME poplar-dev)
set(CPACK_DEBIAN_EXAMPLE_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_EXAMPLE_DESCRIPTION
  "header of the mail store server Poplar's plug-ins\nThe header of plug-ins that tell Poplar's users, and an example with its source.")

include(CPack)
