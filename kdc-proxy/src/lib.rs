//! Kerberos client for a service: AS, TGS, S4U2Self, S4U2Proxy, keytab, ccache, PAC.
