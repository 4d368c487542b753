# Folds the 0/1 columns of caret's GermanCredit back into the 20 attributes of the original data.
#   Rscript german-credit.R > german-credit.csv
load(file.path(find.package("caret"), "data", "GermanCredit.RData"))

# The code of the one indicator that is set, in the order of caret's columns.
code <- function(prefix, codes) {
  indicators <- GermanCredit[, startsWith(names(GermanCredit), paste0(prefix, "."))]
  stopifnot(ncol(indicators) == length(codes), rowSums(indicators) == 1)
  codes[max.col(indicators)]
}

write.csv(with(GermanCredit, data.frame(
  checking_account   = code("CheckingAccountStatus", 1:4),
  duration_months    = Duration,
  credit_history     = code("CreditHistory", 0:4),
  purpose            = code("Purpose", 0:10),
  amount             = Amount,
  savings            = code("SavingsAccountBonds", 1:5),
  employment         = code("EmploymentDuration", c(2:5, 1)),
  installment_rate   = InstallmentRatePercentage,
  personal_status    = code("Personal", 1:5),
  other_debtors      = code("OtherDebtorsGuarantors", 1:3),
  residence_years    = ResidenceDuration,
  property           = code("Property", 1:4),
  age_years          = Age,
  installment_plans  = code("OtherInstallmentPlans", 1:3),
  housing            = code("Housing", 1:3),
  existing_credits   = NumberExistingCredits,
  job                = code("Job", 1:4),
  dependants         = NumberPeopleMaintenance,
  telephone          = 2 - Telephone,      # caret's 1 is A191, "none"
  foreign_worker     = 2 - ForeignWorker,  # caret's 1 is A201, "yes"
  risk               = ifelse(Class == "Good", 1, 2)
)), row.names = FALSE, quote = FALSE)
