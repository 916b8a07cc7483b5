#Requires -Version 5.1
#Requires -Modules ActiveDirectory
<#
.SYNOPSIS
    Lets the broker's account open services of one computer for people.

.DESCRIPTION
    Registers the service principal names on the computer where they are missing, lets the computer have AES tickets, and then
    allows the delegation:
      - by default the classic way: the names are added to msDS-AllowedToDelegateTo of the broker's account. It needs
        SeEnableDelegationPrivilege, which Domain Admins have, and works within one domain.
      - with -ResourceBased on the computer: the broker's account is added to msDS-AllowedToActOnBehalfOfOtherIdentity
        (PrincipalsAllowedToDelegateToAccount). The right to write the computer's object is enough; it covers every name of it.

    What is allowed already stays. People who are members of Protected Users or whose account says "is sensitive and cannot be
    delegated" are never delegated, whatever is set here.

.EXAMPLE
    .\Grant-KerbridgeTarget.ps1 -Account svc-broker -Computer desk1 `
        -ServicePrincipalName TERMSRV/desk1.corp.example, TERMSRV/desk1

.EXAMPLE
    .\Grant-KerbridgeTarget.ps1 -Account svc-broker -Computer desk2 -ServicePrincipalName TERMSRV/desk2.corp.example -ResourceBased
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
param(
    # The sAMAccountName of the broker's account.
    [Parameter(Mandatory = $true)]
    [string] $Account,

    # The computer, without the dollar sign.
    [Parameter(Mandatory = $true)]
    [string] $Computer,

    # The services that may be opened, class/host.
    [Parameter(Mandatory = $true)]
    [ValidatePattern('^[A-Za-z0-9-]+/[A-Za-z0-9.-]+$')]
    [string[]] $ServicePrincipalName,

    # Allow it on the computer and not on the broker's account.
    [switch] $ResourceBased
)

$ErrorActionPreference = 'Stop'

$server = (Get-ADDomain).PDCEmulator
$broker = Get-ADUser -Server $server -Identity $Account -Properties 'msDS-AllowedToDelegateTo', TrustedToAuthForDelegation
$target = Get-ADComputer -Server $server -Identity $Computer `
    -Properties servicePrincipalName, PrincipalsAllowedToDelegateToAccount, 'msDS-SupportedEncryptionTypes'

if (-not $broker.TrustedToAuthForDelegation) {
    Write-Warning "$Account is not trusted for protocol transition; run New-KerbridgeAccount.ps1 for it"
}
if (-not $PSCmdlet.ShouldProcess($target.DNSHostName, "Let $Account open $($ServicePrincipalName -join ', ')")) {
    return
}

# Typed as strings: the cmdlets refuse the wrapped values that a pipeline gives.
[string[]] $missing = @($ServicePrincipalName | Where-Object { @($target.servicePrincipalName) -notcontains $_ })
if ($missing.Count -gt 0) {
    Set-ADComputer -Server $server -Identity $target -ServicePrincipalNames @{ Add = $missing }
}

# Bits 8 and 16 are AES128 and AES256. A Windows computer sets them itself; others have to be told. Bits that are set stay.
$types = [int] $target.'msDS-SupportedEncryptionTypes'
if (($types -band 24) -ne 24) {
    Set-ADComputer -Server $server -Identity $target -Replace @{ 'msDS-SupportedEncryptionTypes' = ($types -bor 24) }
}

if ($ResourceBased) {
    [string[]] $allowed = @($target.PrincipalsAllowedToDelegateToAccount | Where-Object { $_ })
    if ($allowed -notcontains $broker.DistinguishedName) {
        Set-ADComputer -Server $server -Identity $target `
            -PrincipalsAllowedToDelegateToAccount ($allowed + $broker.DistinguishedName)
    }
}
else {
    $allowed = @($broker.'msDS-AllowedToDelegateTo')
    [string[]] $new = @($ServicePrincipalName | Where-Object { $allowed -notcontains $_ })
    if ($new.Count -gt 0) {
        Set-ADUser -Server $server -Identity $broker -Add @{ 'msDS-AllowedToDelegateTo' = $new }
    }
}

Get-ADUser -Server $server -Identity $Account -Properties 'msDS-AllowedToDelegateTo', TrustedToAuthForDelegation |
    Select-Object SamAccountName, TrustedToAuthForDelegation, 'msDS-AllowedToDelegateTo'
Get-ADComputer -Server $server -Identity $Computer -Properties servicePrincipalName, PrincipalsAllowedToDelegateToAccount |
    Select-Object Name, servicePrincipalName, PrincipalsAllowedToDelegateToAccount
