#Requires -Version 5.1
#Requires -Modules ActiveDirectory
<#
.SYNOPSIS
    Makes the broker's account in Active Directory, ready for protocol transition.

.DESCRIPTION
    Creates the account, or takes the one that exists, and then:
      - gives it a new random password that does not expire,
      - allows AES128 and AES256 only (msDS-SupportedEncryptionTypes 24),
      - registers the service principal name that it asks S4U2Self tickets for,
      - trusts it for delegation with any authentication protocol (TRUSTED_TO_AUTH_FOR_DELEGATION), that is protocol transition,
        and makes sure that it is not trusted for unconstrained delegation,
      - writes the password to the file "ldap-password" of the directory. kerbridge.toml names it twice: for the directory
        (bind_password) and for Kerberos (password),
      - with -Keytab also writes a file "keytab", to be named instead of the second. ktpass, which makes it, takes the password
        on its command line, where the auditing of process creation (event 4688) may record it.

    The directory is readable by the caller, SYSTEM and Administrators only. Move the secrets to the broker by a safe way and
    delete them here.

    Run it in an elevated PowerShell as a member of Domain Admins (or with the right to create users and to write
    userAccountControl), on a domain controller or on a machine with the RSAT tools; protocol transition needs
    SeEnableDelegationPrivilege, which Domain Admins have.

.EXAMPLE
    .\New-KerbridgeAccount.ps1 -Account svc-broker -ServicePrincipalName HTTP/broker.corp.example -Directory C:\kerbridge

.EXAMPLE
    .\New-KerbridgeAccount.ps1 -Account svc-broker -ServicePrincipalName HTTP/broker.corp.example -Directory C:\kerbridge `
        -Path 'OU=Services,DC=corp,DC=example' -WhatIf
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
param(
    # The account's sAMAccountName.
    [Parameter(Mandatory = $true)]
    [ValidatePattern('^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$')]
    [string] $Account,

    # The broker's own service principal name, class/host.
    [Parameter(Mandatory = $true)]
    [ValidatePattern('^[A-Za-z0-9-]+/[A-Za-z0-9.-]+$')]
    [string] $ServicePrincipalName,

    # Where the secrets are written. Made if it is missing.
    [Parameter(Mandatory = $true)]
    [string] $Directory,

    # Also make a keytab.
    [switch] $Keytab,

    # Where the account is made; the domain's container for users unless given.
    [string] $Path
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$domain = Get-ADDomain
$server = $domain.PDCEmulator
$realm = $domain.DNSRoot.ToUpperInvariant()

# A registered name belongs to one account. One that stands elsewhere is not moved: whoever uses it would stop working.
$holder = @(Get-ADObject -Server $server -LDAPFilter "(servicePrincipalName=$ServicePrincipalName)" -Properties sAMAccountName)
$others = @($holder | Where-Object { $_.sAMAccountName -ne $Account })
if ($others.Count -gt 0) {
    throw "$ServicePrincipalName is registered on $($others[0].sAMAccountName) already"
}

# 256 random bits, in letters and digits that need no quoting; the prefix satisfies rules about kinds of characters.
$octets = New-Object byte[] 32
$random = [System.Security.Cryptography.RandomNumberGenerator]::Create()
$random.GetBytes($octets)
$random.Dispose()
$password = 'Kb1' + [Convert]::ToBase64String($octets).Replace('+', 'x').Replace('/', 'y').Replace('=', '')
$secure = ConvertTo-SecureString -String $password -AsPlainText -Force

if (-not $PSCmdlet.ShouldProcess("$Account in $($domain.DNSRoot)", 'Make the account of the broker')) {
    return
}

$user = Get-ADUser -Server $server -Filter "sAMAccountName -eq '$Account'"
if ($null -eq $user) {
    $parameters = @{
        Server               = $server
        Name                 = $Account
        SamAccountName       = $Account
        UserPrincipalName    = "$Account@$($domain.DNSRoot)"
        Description          = 'Kerbridge broker'
        AccountPassword      = $secure
        Enabled              = $true
        PasswordNeverExpires = $true
        CannotChangePassword = $true
    }
    if ($Path) { $parameters['Path'] = $Path }
    New-ADUser @parameters
}
else {
    Set-ADAccountPassword -Server $server -Identity $Account -Reset -NewPassword $secure
    Set-ADUser -Server $server -Identity $Account -PasswordNeverExpires $true -Enabled $true
}

Set-ADUser -Server $server -Identity $Account -KerberosEncryptionType AES128, AES256
if ($holder.Count -eq 0) {
    Set-ADUser -Server $server -Identity $Account -ServicePrincipalNames @{ Add = $ServicePrincipalName }
}
Set-ADAccountControl -Server $server -Identity $Account -TrustedForDelegation $false -TrustedToAuthForDelegation $true

# The directory first, with its rights, then the secrets.
$directoryItem = New-Item -ItemType Directory -Force -Path $Directory
$rights = New-Object System.Security.AccessControl.DirectorySecurity
$rights.SetAccessRuleProtection($true, $false)
$readers = @(
    [System.Security.Principal.WindowsIdentity]::GetCurrent().User,
    (New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-18'),
    (New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-32-544')
)
foreach ($reader in $readers) {
    $rights.AddAccessRule((New-Object System.Security.AccessControl.FileSystemAccessRule(
                $reader, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow')))
}
Set-Acl -Path $directoryItem.FullName -AclObject $rights

$passwordFile = Join-Path $directoryItem.FullName 'ldap-password'
[System.IO.File]::WriteAllText($passwordFile, $password)

$version = (Get-ADUser -Server $server -Identity $Account -Properties 'msDS-KeyVersionNumber').'msDS-KeyVersionNumber'
$keytabFile = $null
if ($Keytab) {
    $keytabFile = Join-Path $directoryItem.FullName 'keytab'
    # The principal is the account's own name and not the SPN: ktpass would rename the account to the SPN, and with it the salt of
    # its keys. -SetPass and -SetUPN leave the account as it is; the key version is the one the directory has now.
    if (Test-Path -LiteralPath $keytabFile) { Remove-Item -LiteralPath $keytabFile }
    $ktpass = @(
        '/princ', "$Account@$realm",
        '/mapuser', "$($domain.NetBIOSName)\$Account",
        '/pass', $password,
        '/crypto', 'AES256-SHA1',
        '/ptype', 'KRB5_NT_PRINCIPAL',
        '/kvno', $version,
        '/target', $server,
        '/out', $keytabFile,
        '-SetPass', '-SetUPN'
    )
    # ktpass writes what it does to standard error; its exit code and the file tell whether it worked.
    $ErrorActionPreference = 'Continue'
    $said = & ktpass.exe @ktpass 2>&1 | ForEach-Object { "$_" }
    $ErrorActionPreference = 'Stop'
    if ($LASTEXITCODE -ne 0 -or -not (Test-Path -LiteralPath $keytabFile)) {
        throw "ktpass failed with $LASTEXITCODE`: $($said -join ' ')"
    }
}

[pscustomobject]@{
    Account              = $Account
    Realm                = $realm
    ServicePrincipalName = $ServicePrincipalName
    KeyVersion           = $version
    Keytab               = $keytabFile
    LdapPassword         = $passwordFile
}
